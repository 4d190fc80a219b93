"""The models behind one contract: `fit`, `predict_proba`, `clone`."""
