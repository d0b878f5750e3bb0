"""Folders on disk that stages read and write: manifest, publishing, opening, checking."""
