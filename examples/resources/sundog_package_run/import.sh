# The id is the enclave's id and the run's name. The next apply brings the run to what the configuration says, and keeps
# whatever is so already.
tofu import sundog_package_run.shop docker/dev/shop
