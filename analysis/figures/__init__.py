"""Pictures: pure functions from a frame, one row a model, to a Plotly figure; and files of them."""

from analysis.figures.against_rate import metric_against_rate
from analysis.figures.beside_dedicated import surface_beside_dedicated
from analysis.figures.coding import rate_distortion
from analysis.figures.heatmap import beta_heatmap
from analysis.figures.multiples import small_multiples
from analysis.figures.parallel import parallel_coordinates
from analysis.figures.rate_profile import rate_profile
from analysis.figures.rate_space import rate_space, targets
from analysis.figures.save import save
from analysis.figures.scales import logarithmic
from analysis.figures.three_d import rate_space_3d, three_metrics
from analysis.figures.training_paths import training_paths

__all__ = [
    "beta_heatmap",
    "logarithmic",
    "metric_against_rate",
    "parallel_coordinates",
    "rate_distortion",
    "rate_profile",
    "rate_space",
    "rate_space_3d",
    "save",
    "small_multiples",
    "surface_beside_dedicated",
    "targets",
    "three_metrics",
    "training_paths",
]
