terraform {
  required_providers {
    sundog = {
      source = "sundog-dev/sundog"
    }
  }
}

provider "sundog" {
  # Only ever read. Every call is refused if the credentials belong to another account.
  production = {
    account_id = "111111111111"
    regions    = ["eu-west-1"]
    profile    = "production-read"
  }

  # Where forks are written.
  sandbox = {
    account_id  = "222222222222"
    region      = "eu-west-1"
    profile     = "sandbox"
    assume_role = { role_arn = "arn:aws:iam::222222222222:role/sundog" }
  }
}
