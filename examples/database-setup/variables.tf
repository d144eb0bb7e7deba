variable "enclave" {
  type        = string
  description = "Name of the enclave."
  default     = "database-setup"
}

variable "postgres_image" {
  type        = string
  description = "Image of PostgreSQL; images.sh makes one where the official one cannot be pulled."
  default     = "postgres:15"
}

variable "password" {
  type        = string
  description = "Password of the database's superuser, and of the role that the configuration makes."
  sensitive   = true
}
