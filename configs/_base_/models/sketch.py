# 3D-Sketch with the authors' ResNet-50 on NYU.
num_classes = 12
channels = 128
# Over the samples of all processes, as the authors' synchronised BN; plain BN in one process.
norm_cfg = dict(type='mmssc.DistributedBN')
# Mean over the voxels of label_weight of the whole batch of a process.
cross_entropy = dict(type='mmssc.VoxelCrossEntropyLoss', reduction='batch')

model = dict(
    type='mmssc.SketchCompletor',
    data_preprocessor=dict(
        type='mmssc.SSCDataPreprocessor', mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    # World axes X, Z (up), Y (forward); every frame has an origin of its own.
    voxel_grid=dict(
        origin=(0.0, 0.0, 0.0),
        voxel_size=0.08,
        shape=(60, 36, 60),
        axes=('x', 'z', 'y'),
        frame='world',
    ),
    # Deep stem 64-64-128, output stride 16, dilations 2, 4, 8 in the last stage.
    backbone=dict(
        type='mmseg.ResNet',
        depth=50,
        deep_stem=True,
        stem_channels=128,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        multi_grid=(2, 4, 8),
        out_indices=(3,),
        norm_cfg=norm_cfg,
        # False: batch statistics normalise in training and the running ones drift, as in the
        # reference, whose backbone is frozen all the same.
        norm_eval=False,
        # The authors' ImageNet weights, after import_checkpoint.py sketch-backbone.
        init_cfg=dict(type='Pretrained', checkpoint='data/pretrained/sketch_resnet50_imagenet.pth'),
    ),
    freeze_backbone=True,
    neck=dict(type='mmssc.ImageProjection', in_channels=2048, channels=channels, norm_cfg=norm_cfg),
    lifter=dict(type='mmssc.DepthMappedLifter', align_corners=True, fill=True),
    sketch_head=dict(
        type='mmssc.SketchHead',
        widths=(1, 3, 64, channels),
        dropout=0.1,
        # sampling='mean' decodes the mean code once and draws nothing.
        cvae=dict(latent_channels=16, num_samples=4, sampling='random', seed=0),
        norm_cfg=norm_cfg,
        loss_raw=cross_entropy,
        loss_posterior=cross_entropy,
        loss_prior=dict(cross_entropy, loss_weight=1.5),
        loss_kl=dict(type='mmssc.StandardNormalKLLoss', loss_weight=2.0),
    ),
    head=dict(
        type='mmssc.SketchSemanticHead',
        channels=channels,
        num_classes=num_classes,
        sketch_widths=(3, 64),
        dropout=0.1,
        norm_cfg=norm_cfg,
    ),
    # class_weight of this loss is where the authors' (equal) weights would stand.
    loss_3d=cross_entropy,
    ignored_in_divisor=True,
    sketch_unknown='empty',
    # The authors' two processes halve the gradient twice: their loss is the mean over the processes
    # before the backward pass, and the gradients are averaged again. Not tied to the number of
    # processes here; 1 gives the plain sum.
    loss_scale=0.5,
)
# The name that configs of release 0.1 use.
nyu_grid = model['voxel_grid']
