package session

import (
	"context"
	"log/slog"
	"maps"

	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/sundog-dev/terraform-provider-sundog/provider/value"
)

// NewLogger gives engines a logger that ends in the CLI's own log. Secrets are masked in messages and values.
func NewLogger(ctx context.Context, secrets value.Secrets) *slog.Logger {
	// The handler outlives the call it was made in, but only the context's values matter to it.
	return slog.New(&logHandler{ctx: context.WithoutCancel(ctx), secrets: secrets})
}

type logHandler struct {
	ctx     context.Context //nolint:containedctx // tflog keeps its logger in the context.
	prefix  string
	fields  map[string]any
	secrets value.Secrets
}

// Enabled leaves the choice to the CLI's own levels.
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle passes one record on.
func (h *logHandler) Handle(_ context.Context, record slog.Record) error {
	fields := maps.Clone(h.fields)
	if fields == nil {
		fields = map[string]any{}
	}
	record.Attrs(func(attr slog.Attr) bool {
		h.add(fields, h.prefix, attr)
		return true
	})
	message := h.secrets.Mask(record.Message)
	switch {
	case record.Level >= slog.LevelError:
		tflog.Error(h.ctx, message, fields)
	case record.Level >= slog.LevelWarn:
		tflog.Warn(h.ctx, message, fields)
	case record.Level >= slog.LevelInfo:
		tflog.Info(h.ctx, message, fields)
	default:
		tflog.Debug(h.ctx, message, fields)
	}
	return nil
}

func (h *logHandler) add(fields map[string]any, prefix string, attr slog.Attr) {
	resolved := attr.Value.Resolve()
	if resolved.Kind() == slog.KindGroup {
		if attr.Key != "" {
			prefix += attr.Key + "."
		}
		for _, member := range resolved.Group() {
			h.add(fields, prefix, member)
		}
		return
	}
	fields[prefix+attr.Key] = h.secrets.Mask(resolved.String())
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	child := *h
	if child.fields = maps.Clone(h.fields); child.fields == nil {
		child.fields = map[string]any{}
	}
	for _, attr := range attrs {
		child.add(child.fields, child.prefix, attr)
	}
	return &child
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	child := *h
	child.prefix += name + "."
	return &child
}
