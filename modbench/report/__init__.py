"""Results as text: tables in the formats that people and programs read."""
