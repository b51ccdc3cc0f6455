"""Whose pixels a mask's are: people told apart, the main person, identities, confidence."""
