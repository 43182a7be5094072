"""Finding spoken words within sentences."""
