"""The search engine, independent of scikit-learn's conventions."""
