# An environment in a Kubernetes cluster. Only the provider block knows: with `backend = "docker"` the same resources and the
# same package run on a Docker Engine.

terraform {
  required_providers {
    sundog = {
      source = "sundog-dev/sundog"
    }
  }
}

provider "sundog" {
  backend = var.backend

  # Which cluster: what is not given here comes from the kubeconfig, as with the Kubernetes and Helm providers.
  kubernetes = {
    config_context  = var.context
    storage_size_mb = 256
    expose          = "NodePort" # so that the page has a URL; without, `sundog forward` reaches it
  }
}

resource "sundog_enclave" "shop" {
  name   = var.enclave
  labels = { team = "shop" }
}

resource "sundog_package_run" "shop" {
  enclave = sundog_enclave.shop.id
  package = "${path.module}/shop"

  args = {
    greeting       = var.greeting
    database_image = var.postgres_image
    web_image      = var.nginx_image
  }
  sensitive_args = { password = var.database_password }
}
