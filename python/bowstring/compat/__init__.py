"""The names of earlier systems, so that who used them changes the import alone."""
