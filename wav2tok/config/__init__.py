"""Every number that governs a result: the schema, params.yaml, profiles."""
