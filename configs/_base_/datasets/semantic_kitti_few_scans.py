# A handful of real SemanticKITTI scans, to be learnt by heart on a CPU: for trying the real data
# path before the whole data set is there. Validation is on the training frames, tools/test.py takes
# those of 08.
_base_ = './semantic_kitti_lidar.py'

# As sharp as a few frames can be learnt.
train_pipeline = [step for step in _base_.train_pipeline if step.type != 'FlipLidarScene']
loader = dict(num_workers=1)
train_dataloader = dict(
    **loader,
    batch_size=1,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline),
)
val_dataloader = dict(
    **loader, batch_size=1, dataset=dict(ann_file='semantickitti_infos_train.json')
)
test_dataloader = dict(**loader, batch_size=1)
