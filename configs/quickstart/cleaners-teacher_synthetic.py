"""The teacher of cleaners_synthetic.py: the same network on the clean TSDF, without a teacher."""

_base_ = './cleaners_synthetic.py'

model = dict(
    tsdf_source='tsdf_clean', teacher=None, loss_kd_t=None, loss_kd_sc=None, loss_kd_sa=None
)
clean = dict(dataset=dict(clean_source='nyucad'))
val_dataloader = clean
test_dataloader = clean
