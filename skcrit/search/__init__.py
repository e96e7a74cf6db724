"""The search engine, which knows no scikit-learn."""
