"""The quality harness: any file of a known form, any models, one table."""
