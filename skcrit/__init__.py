"""Critical points of loss surfaces, with scikit-learn estimators."""
