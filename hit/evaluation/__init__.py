"""What a trained model is worth, computed without a store: metrics, samples and pictures."""

__all__ = ["Evaluation", "evaluate_model"]

from hit.evaluation.evaluation import Evaluation, evaluate_model
