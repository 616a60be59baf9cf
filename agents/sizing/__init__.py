"""The tabular sizing agent, its learners, and Kelly."""
