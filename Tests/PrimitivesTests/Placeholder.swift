// Placeholder until the first test comes.
