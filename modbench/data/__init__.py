"""Where problems and training examples come from, and in what words a model is asked."""
