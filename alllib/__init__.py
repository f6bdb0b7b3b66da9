"""Detecting acute lymphoblastic leukemia with convolutional networks.

A thin package behind a course and a reproduction study. Importing it is cheap:
neither Keras nor a backend is loaded before a network is built.
"""

__version__ = "0.1.0"
