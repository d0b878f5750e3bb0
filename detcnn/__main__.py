"""``python -m detcnn`` is the ``detcnn`` command, for environments without scripts on the path."""

from detcnn.cli.main import main

if __name__ == "__main__":
    main()
