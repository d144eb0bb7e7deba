package packagedata

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Schema implements datasource.DataSource.
func (d *packageDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	computed := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	number := func(description string) schema.Int64Attribute {
		return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
	}
	stringList := func(description string) schema.ListAttribute {
		return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	stringMap := func(description string) schema.MapAttribute {
		return schema.MapAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "What a package is and what it would do with given arguments, without doing it. It needs no engine.",
		Attributes: map[string]schema.Attribute{
			"package": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "The package: a folder, or a locator `github.com/owner/repository[/folder][@version]`.",
			},
			"args": schema.DynamicAttribute{
				Optional: true,
				MarkdownDescription: "Arguments of the package, an object. Without them a package that needs some is described only: `services`, " +
					"`instructions` and everything else that only a plan tells are null then.",
			},
			"main_file":     schema.StringAttribute{Optional: true, MarkdownDescription: "File that holds the function. Default `main.star`."},
			"main_function": schema.StringAttribute{Optional: true, MarkdownDescription: "Function to call. Default `run`."},
			"name":          computed("Name that `kurtosis.yml` declares."),
			"description":   computed("Description in `kurtosis.yml`, Markdown."),
			"parameters": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "Parameters of the function, in order.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"name":         computed("Name."),
					"type":         computed("Type as the docstring spells it; null when it says nothing."),
					"default_json": computed("Default as JSON; null when there is none."),
					"required":     schema.BoolAttribute{Computed: true, MarkdownDescription: "Whether it must be given."},
					"description":  computed("What the docstring says."),
				}},
			},
			"services": schema.MapNestedAttribute{
				Computed: true, MarkdownDescription: "Services that the package would run, by name.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"image": computed("Image; for one that is built, the name that it gets."),
					"build": schema.SingleNestedAttribute{
						Computed: true, MarkdownDescription: "How the image is built; null where it is not.",
						Attributes: map[string]schema.Attribute{
							"context_digest": computed("Digest of the build context's files."),
							"build_file":     computed("Build file inside the context."),
							"target_stage":   computed("Stage to stop at; null for the last."),
							"build_args":     stringMap("Build arguments."),
						},
					},
					"entrypoint": stringList("Entrypoint; empty for the image's own."),
					"cmd":        stringList("Command; empty for the image's own."),
					"env_vars":   stringMap("Environment."),
					"files": schema.MapNestedAttribute{
						Computed: true, MarkdownDescription: "What is mounted, by path.",
						NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
							"artifact_names": stringList("Files artifacts whose files are there; empty for a persistent directory."),
							"persistent_key": computed("Key of the persistent directory; null for files artifacts."),
						}},
					},
					"ports": schema.MapNestedAttribute{
						Computed: true, MarkdownDescription: "Ports by id.",
						NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
							"number":               number("Number inside the enclave."),
							"transport_protocol":   computed("`TCP`, `UDP` or `SCTP`."),
							"application_protocol": computed("For example `http`; null when the package says nothing."),
						}},
					},
				}},
			},
			"artifacts": stringList("Names of the files artifacts that the package would make, in order."),
			"images":    stringList("Images of services and tasks, sorted."),
			"warnings":  stringList("What the package's author should know."),
			"packages": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "Repositories that the package uses.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"locator": computed("Locator of the repository, with the version that was asked for."),
					"commit":  computed("Commit that it is at; null where that is not known, as in a vendor folder."),
				}},
			},
			"output": schema.DynamicAttribute{
				Computed:            true,
				MarkdownDescription: "What the package's function returns. What only the running environment can tell reads `{{service.field}}`.",
			},
			"instructions": schema.ListNestedAttribute{
				Computed: true, MarkdownDescription: "What the package would do, in order.",
				NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
					"name":           computed("Name of the instruction, for example `add_service`."),
					"position":       computed("Where it stands: `file:line:column`."),
					"description":    computed("One line about it."),
					"arguments_json": computed("Its arguments as JSON. What only the running environment can tell reads `{{service.field}}`."),
				}},
			},
		},
	}
}
