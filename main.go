// Terraform-provider-sundog is one binary: the provider's server when a Terraform CLI starts it (or with -debug), and the
// companion command `sundog` otherwise.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/sundog-dev/terraform-provider-sundog/internal/cli"
	"github.com/sundog-dev/terraform-provider-sundog/provider"
)

// version is set by the release build.
var version = "dev"

// A Terraform CLI sets this variable for the plugins that it starts; the value is fixed by the protocol.
const cookieKey, cookieValue = "TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2"

func main() {
	debugging := slices.Contains(os.Args[1:], "-debug")
	if debugging || os.Getenv(cookieKey) == cookieValue {
		serve(debugging)
		return
	}
	// The command is over before collecting garbage pays: interpreting a large package takes a fifth less without. GOGC in
	// the environment has the last word.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(cli.Execute(context.Background(), version, os.Args[1:]))
}

func serve(debugging bool) {
	// The framework's own trace logs cost more than all else where values are large.
	if _, set := os.LookupEnv("TF_LOG_SDK_FRAMEWORK"); !set {
		_ = os.Setenv("TF_LOG_SDK_FRAMEWORK", "off")
	}
	err := providerserver.Serve(context.Background(), provider.New(version),
		providerserver.ServeOpts{Address: "registry.terraform.io/sundog-dev/sundog", ProtocolVersion: 6, Debug: debugging})
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}
