# A frozen ResNet-50, as frozen_resnet50.
# Only for configs of users: no config of this release has it as a base.
_base_ = []  # Without it mmengine would take the import for a config of its new style.
import warnings  # noqa: E402

warnings.warn(
    'configs/_base_/models/resnet50_frozen.py goes away in the next release: '
    'write the encoder in your config as cleaners_r50_nyu.py does',
    FutureWarning,
    stacklevel=2,
)

resnet50_channels = (256, 512, 1024, 2048)
frozen_resnet50 = dict(
    _delete_=True,
    type='mmseg.ResNet',
    depth=50,
    out_indices=(0, 1, 2, 3),
    frozen_stages=4,
    norm_cfg=dict(type='BN', requires_grad=False),
    norm_eval=True,
    style='pytorch',
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth',
    ),
)
