# The id is the sandbox account's number and the fork's name.
tofu import sundog_fork.staging 222222222222/staging
