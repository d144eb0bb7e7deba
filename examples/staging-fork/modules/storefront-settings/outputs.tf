output "settings" {
  description = "The settings file, as JSON."
  value       = local.settings

  depends_on = [terraform_data.settings]
}
