// Placeholder until the first type comes.
