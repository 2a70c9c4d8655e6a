"""Measures of prediction-error signals, each with the control that it needs: pure functions of arrays."""
