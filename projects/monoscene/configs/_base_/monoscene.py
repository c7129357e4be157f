# MonoScene on SemanticKITTI, with the schedule of the paper. Leaves override grid, widths, number
# of classes and class weights.
custom_imports = dict(imports=['monoscene'], allow_failed_imports=False)

num_classes = 20
channels = 64
# 1 / ln(count + 0.001) of the voxel counts of the training split.
class_weight = [
    0.044617, 0.060334, 0.0852, 0.085578, 0.07474, 0.073424, 0.080129, 0.079645, 0.081769,
    0.055749, 0.065273, 0.056755, 0.068328, 0.056004, 0.060348, 0.052964, 0.068781, 0.057387,
    0.071649, 0.07862,
]  # fmt: skip

model = dict(
    type='MonoScene',
    data_preprocessor=dict(type='SSCDataPreprocessor'),
    voxel_grid=dict(origin=(0.0, -25.6, -2.0), voxel_size=0.2, shape=(256, 256, 32)),
    feature_scale=2,
    image_unet=dict(
        type='EfficientNetUNet',
        name='tf_efficientnet_b7_ns',
        out_channels=channels,
        checkpoint='https://github.com/rwightman/pytorch-image-models/releases/download/'
        'v0.1-weights/tf_efficientnet_b7_ns-1dbc32de.pth',
    ),
    lifter=dict(type='MultiScaleFLoSP'),
    volume_unet=dict(type='ContextVolumeUNet', channels=channels, num_classes=num_classes),
    # Means over all voxels of a process, as published.
    losses=dict(
        loss_ce=dict(
            type='VoxelCrossEntropyLoss',
            class_weight=class_weight,
            normalizer='weights',
            reduction='batch',
        ),
        loss_sem_scal=dict(type='SemanticScalLoss', reduction='batch'),
        loss_geo_scal=dict(type='GeometricScalLoss', reduction='batch'),
        loss_frustum=dict(type='FrustumProportionLoss', reduction='batch'),
    ),
    relation_loss=dict(type='ContextRelationLoss', num_classes=num_classes, reduction='batch'),
)

max_epochs = 30
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4))
param_scheduler = [dict(type='MultiStepLR', milestones=[20], gamma=0.1, by_epoch=True)]
# Trained with 4 samples in all; --auto-scale-lr scales the learning rate to another batch size.
auto_scale_lr = dict(enable=False, base_batch_size=4)
