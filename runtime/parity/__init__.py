"""The proof that environment, simulation and exchange trade alike: faces, their tales, comparison.

The one place of the runtime that imports the Gymnasium faces.
"""
