variable "backend" {
  description = "What runs the enclave: docker or kubernetes."
  type        = string
  default     = "docker"
}

variable "machine" {
  description = "Name or address by which containers reach this machine, where the AWS API is an emulator on it."
  type        = string
  default     = "host.docker.internal"
}

variable "aws_endpoint_url" {
  description = "Where the AWS API answers, as seen from this machine."
  type        = string
  default     = "http://127.0.0.1:5000"

  validation {
    condition     = can(regex("^https?://[^/]+$", var.aws_endpoint_url))
    error_message = "Give a URL without a path, such as http://127.0.0.1:5000."
  }
}

variable "postgres_image" {
  description = "Image that stands in for RDS PostgreSQL and, having a shell, runs the package's seed task."
  type        = string
  default     = "sundog-example/postgres:15"
}

variable "recommender_image" {
  description = "Image of the team's feature branch."
  type        = string
  default     = "sundog-example/recommender:feature"
}

variable "promoted" {
  description = "Items that the feature branch promotes."
  type        = list(string)
  default     = ["rope"]
}

variable "aws_access_key" {
  description = "Base credentials that may assume both roles. The emulator takes any."
  type        = string
  default     = "test"
  sensitive   = true
}

variable "aws_secret_key" {
  description = "The secret that belongs to aws_access_key."
  type        = string
  default     = "test"
  sensitive   = true
}
