package packagedata

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
)

// Schema implements datasource.DataSource.
func (d *packageDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	computed := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	number := func(description string) schema.Int64Attribute {
		return schema.Int64Attribute{Computed: true, MarkdownDescription: description}
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
				MarkdownDescription: "Arguments of the package, an object. Without them a package that needs some is described only: `services` " +
					"and `instructions` are null then.",
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
					"image": computed("Image."),
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
