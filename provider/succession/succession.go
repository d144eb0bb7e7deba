// Package succession lets an apply that failed be continued instead of begun again.
//
// Terraform taints whatever a failed create leaves in the state, and replaces it at the next apply: delete, then create.
// That would throw away everything that had succeeded. So the plan of a create notes in its private data what it is going
// to make. A replacement's delete receives the same private data, a destroy's does not. If the delete finds there that the
// very same object is about to be made, and the state says that the object was left incomplete, it leaves the object in
// place, and the create, which adopts what the same owner made, continues where the failure was.
//
// An object that is complete and replaced on purpose (-replace, taint) is deleted as usual.
package succession

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/sundog-dev/terraform-provider-sundog/provider/private"
)

const successorKey = "successor"

// Announce notes during the planning of a create which object will be made.
func Announce(ctx context.Context, to private.Writer, id string) diag.Diagnostics {
	return private.Write(ctx, to, successorKey, id)
}

// Forget takes the note out of what is going to be stored. Every create calls it: a note that stayed in the state would
// make a later destroy believe that it is half of a replacement.
func Forget(ctx context.Context, to private.Writer) diag.Diagnostics {
	return private.Write(ctx, to, successorKey, "")
}

// Announced tells in a delete whether the same apply makes the object of that id again.
func Announced(ctx context.Context, from private.Reader, id string) bool {
	announced, _ := private.Read[string](ctx, from, successorKey)
	return announced != nil && *announced != "" && *announced == id
}
