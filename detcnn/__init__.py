"""detcnn: detector data to images, images to a trained and honestly evaluated CNN."""

__version__ = "0.1.0"
