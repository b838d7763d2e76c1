"""What brings due credentials to `rotation.rotate`, and keeps doing it."""
