"""From the text of a response to an answer, and from an answer to a verdict."""
