package provider

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave/docker"
	"github.com/sundog-dev/terraform-provider-sundog/internal/language"
	"github.com/sundog-dev/terraform-provider-sundog/provider/check"
)

func providerSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "Sundog makes isolated environments out of a team's own containers and copies of, or stand-ins for, the " +
			"managed cloud services that those containers use.",
		Attributes: map[string]schema.Attribute{
			"backend": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "What runs enclaves: `docker` (the default) or `kubernetes`. Environment: `SUNDOG_BACKEND`.",
				Validators:          []validator.String{stringvalidator.OneOf("docker", "kubernetes")},
			},
			"owner": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Who may adopt what is found without being in the state (after a killed apply, for example). " +
					"Environment: `SUNDOG_OWNER`. Default: a random id, made at first need and kept in the CLI's data folder (`.terraform`). " +
					"Set it where that folder does not outlive the job, as on CI.",
				Validators: []validator.String{check.String("1 to 63 letters, digits, dots, underscores and hyphens", checkOwner)},
			},
			"event_dir": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Folder for progress as JSON lines, one file for each run (`<enclave>/<run>.jsonl`) and each fork " +
					"(`fork/<fork>.jsonl`). Environment: `SUNDOG_EVENT_DIR`. Default: `sundog/events` in the CLI's data folder.",
			},
			"digest_key": schema.StringAttribute{
				Optional: true, Sensitive: true,
				MarkdownDescription: "Key for the hashes of production's configuration values, which may be secret. Environment: " +
					"`SUNDOG_DIGEST_KEY`. Default: a random one, kept in the CLI's data folder. Another key makes every resource of production " +
					"look changed once, so set it where that folder does not outlive the job.",
				Validators: []validator.String{stringvalidator.LengthAtLeast(16)},
			},
			"docker": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "The Docker Engine to use.",
				Attributes: map[string]schema.Attribute{
					"host": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "Where the engine listens, for example `unix:///var/run/docker.sock`. Default: `DOCKER_HOST`, then the Docker CLI's current context, then the platform's socket.",
					},
					"subnet_pool": schema.StringAttribute{
						Optional: true,
						MarkdownDescription: "IPv4 network that enclaves' networks are cut from, for example `10.210.0.0/16`. What other networks of the engine have is left out, as is what " +
							"this machine has a route to (a VPN, say), where the engine runs on it. Default: the engine's own address pools, which Docker lets hold about 30 networks. " +
							"An enclave keeps the subnet that it was made with. Environment: `SUNDOG_DOCKER_SUBNET_POOL`.",
						Validators: []validator.String{check.String("an IPv4 network such as 10.210.0.0/16", func(text string) error {
							_, err := docker.ParseSubnetPool(text, 0)
							return err
						})},
					},
					"subnet_size": schema.Int64Attribute{
						Optional: true,
						MarkdownDescription: "Size of one enclave's network in `subnet_pool`, as the length of its prefix: half of the addresses are for services. Default: 22, for 511 services. " +
							"Environment: `SUNDOG_DOCKER_SUBNET_SIZE`.",
						Validators: []validator.Int64{int64validator.Between(16, 28)},
					},
				},
			},
			"kubernetes": kubernetesSchema(),
			"packages": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "Where packages come from, and what they may do.",
				Attributes: map[string]schema.Attribute{
					"vendor_dir": schema.StringAttribute{
						Optional: true,
						MarkdownDescription: "Folder that `sundog package vendor` filled: a repository `github.com/o/r` lies at `github.com/o/r` in it. With it nothing is " +
							"fetched. Environment: `SUNDOG_PACKAGES_VENDOR_DIR`.",
					},
					"lock_file": schema.StringAttribute{
						Optional: true,
						MarkdownDescription: "Lock file that says which commits locators mean. Environment: `SUNDOG_PACKAGES_LOCK_FILE`. Default: `sundog.lock` in the " +
							"package's folder, or in the working folder for a package from a repository; there may be none.",
					},
					"locked": schema.BoolAttribute{
						Optional:            true,
						MarkdownDescription: "Use only what the lock file says, and fail for everything else. Environment: `SUNDOG_PACKAGES_LOCKED`. Default `false`: what is not locked is a warning.",
					},
					"offline": schema.BoolAttribute{
						Optional:            true,
						MarkdownDescription: "Fetch nothing, and use what earlier runs have fetched. Environment: `SUNDOG_PACKAGES_OFFLINE`. Default `false`.",
					},
					"cache_dir": schema.StringAttribute{
						Optional:            true,
						MarkdownDescription: "Folder that keeps what is fetched. Environment: `SUNDOG_PACKAGES_CACHE_DIR`. Default: `sundog` in the user's cache folder.",
					},
					"allow_privileged": schema.BoolAttribute{
						Optional: true,
						MarkdownDescription: "Let packages ask for services that have power over the machine they run on: `privileged`, `host_pid_namespace` and " +
							"`bind_mounts` of the engine's socket. Environment: `SUNDOG_PACKAGES_ALLOW_PRIVILEGED`. Default `false`: asking is an error.",
					},
					"limits": schema.SingleNestedAttribute{
						Optional:            true,
						MarkdownDescription: "What interpreting one package may take, so that no package can bring a plan down.",
						Attributes: map[string]schema.Attribute{
							"steps": schema.Int64Attribute{
								Optional: true, Validators: []validator.Int64{int64validator.AtLeast(1)},
								MarkdownDescription: fmt.Sprintf("Steps of the interpreter. Default `%d`.", language.DefaultSteps),
							},
							"memory_mib": schema.Int64Attribute{
								Optional: true, Validators: []validator.Int64{int64validator.Between(1, 1<<20)},
								MarkdownDescription: fmt.Sprintf("Memory in MiB by which the provider may grow. Default `%d`.", language.DefaultMemory>>20),
							},
							"time": schema.StringAttribute{
								Optional: true, Validators: []validator.String{check.String("a positive duration such as 30s or 5m", checkPositiveDuration)},
								MarkdownDescription: "Time, fetching included. Default `5m`.",
							},
						},
					},
				},
			},
			"production": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "The AWS account that forks are made of. It is only ever read.",
				Attributes:          productionAttributes(),
			},
			"sandbox": schema.SingleNestedAttribute{
				Optional:            true,
				MarkdownDescription: "The AWS account that forks are written to.",
				Attributes:          sandboxAttributes(),
			},
		},
	}
}

func checkPositiveDuration(text string) error {
	duration, err := time.ParseDuration(text)
	if err == nil && duration <= 0 {
		err = errors.New("it must be more than nothing")
	}
	return err
}

func productionAttributes() map[string]schema.Attribute {
	attributes := accountAttributes("production")
	attributes["regions"] = schema.ListAttribute{
		Optional: true, ElementType: types.StringType,
		MarkdownDescription: "Regions to read. Keys of resources outside of the first end in `@region`. Environment: `AWS_REGION`, if one region will do.",
	}
	return attributes
}

func sandboxAttributes() map[string]schema.Attribute {
	attributes := accountAttributes("sandbox")
	attributes["region"] = schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "Region to write to. Default: production's first region.",
	}
	attributes["enclave_endpoint_url"] = schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "The same as `endpoint_url`, as containers in an enclave see it. Derived where `endpoint_url` is a loopback address.",
		Validators:          []validator.String{urlCheck()},
	}
	return attributes
}

func accountAttributes(side string) map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"account_id": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Account number. Every call is refused if the credentials belong to another account.",
			Validators:          []validator.String{check.String("the 12 digits of the account number", checkAccountID)},
		},
		"profile": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Profile of the shared configuration files.",
		},
		"access_key": schema.StringAttribute{
			Optional: true, Sensitive: true,
			MarkdownDescription: "Access key id. Default: the AWS SDK's own chain (environment, profile, instance).",
			Validators:          []validator.String{stringvalidator.AlsoRequires(sibling("secret_key"))},
		},
		"secret_key": schema.StringAttribute{
			Optional: true, Sensitive: true,
			MarkdownDescription: "Secret access key.",
			Validators:          []validator.String{stringvalidator.AlsoRequires(sibling("access_key"))},
		},
		"token": schema.StringAttribute{
			Optional: true, Sensitive: true,
			MarkdownDescription: "Session token of temporary credentials.",
		},
		"shared_config_files": schema.ListAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Shared configuration files instead of `~/.aws/config`.",
		},
		"assume_role": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "A role to assume with the credentials above.",
			Attributes: map[string]schema.Attribute{
				"role_arn": schema.StringAttribute{
					Required: true, MarkdownDescription: "ARN of the role.",
				},
				"external_id": schema.StringAttribute{
					Optional: true, Sensitive: true, MarkdownDescription: "External id that the role's trust policy asks for.",
				},
				"session_name": schema.StringAttribute{
					Optional: true, MarkdownDescription: "Session name, as it appears in the account's audit log. Default `sundog-" + side + "`.",
				},
			},
		},
		"endpoint_url": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Address of an emulator that stands for all AWS services.",
			Validators:          []validator.String{urlCheck()},
		},
	}
}

var (
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	httpURL   = regexp.MustCompile(`^https?://[^/?#\s]+/?$`)
)

func checkAccountID(text string) error {
	if !accountID.MatchString(text) {
		return errors.New("that is no account number")
	}
	return nil
}

func checkOwner(text string) error {
	if enclave.CheckOwner(text) != nil {
		return errors.New("that cannot stand in a label")
	}
	return nil
}

func urlCheck() validator.String {
	return stringvalidator.RegexMatches(httpURL, "must be a URL such as http://127.0.0.1:5000")
}
