"""Losses for semantic scene completion."""

from .adversarial import AdversarialLoss
from .balanced_cross_entropy import BalancedCrossEntropyLoss
from .base_loss import SSCLoss
from .class_sums import ClassSums, ClassSumsLoss
from .class_weights import class_weights_from_counts
from .context_relation import ContextRelationLoss
from .cross_entropy import VoxelCrossEntropyLoss
from .distillation import (
    ClassAffinityDistillationLoss,
    ClassCenterDistillationLoss,
    FeatureDistillationLoss,
    LogitDistillationLoss,
)
from .frustum_proportion import FrustumProportionLoss
from .kl import StandardNormalKLLoss
from .lovasz import LovaszSoftmaxLoss
from .occupancy import BinaryOccupancyLoss
from .run_length import RunLengthLoss
from .scene_class_affinity import GeometricScalLoss, SemanticScalLoss

__all__ = [
    'AdversarialLoss', 'BalancedCrossEntropyLoss', 'BinaryOccupancyLoss',
    'ClassAffinityDistillationLoss', 'ClassCenterDistillationLoss', 'ClassSums', 'ClassSumsLoss',
    'ContextRelationLoss', 'FeatureDistillationLoss', 'FrustumProportionLoss', 'GeometricScalLoss',
    'LogitDistillationLoss', 'LovaszSoftmaxLoss', 'RunLengthLoss', 'SSCLoss', 'SemanticScalLoss',
    'StandardNormalKLLoss', 'VoxelCrossEntropyLoss', 'class_weights_from_counts',
]  # fmt: skip
