"""From tables of lanes to an answer: means, fronts, choices, and how sure they are."""
