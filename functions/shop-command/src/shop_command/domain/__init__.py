"""The shop decides here, by pure functions over frozen values. Time, ids and randomness come in from outside."""
