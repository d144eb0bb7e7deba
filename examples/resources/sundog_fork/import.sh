# The id is the sandbox account's number and the fork's name, and for a fork that has containers its enclave's id.
tofu import sundog_fork.staging 222222222222/staging@docker/staging
