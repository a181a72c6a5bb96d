"""Files to events, items and users. Pure: reads files, writes nothing, knows no store."""
