package session

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// From reads what the framework hands to a resource's or data source's Configure. It is nil where the provider is not
// configured yet (validation), which is no error.
func From(providerData any, diagnostics *diag.Diagnostics) *Session {
	if providerData == nil {
		return nil
	}
	session, ok := providerData.(*Session)
	if !ok {
		diagnostics.AddError("Unexpected state of the provider",
			"The provider was configured with data of another kind. This is a mistake in the Sundog provider: please report it.")
		return nil
	}
	return session
}
