"""From runs to conclusions: whose verdicts are compared, on which documents, and what the comparison says."""
