"""The exchange's REST side: raw requests in, dialect answers out."""
