/* @plugin@: greets people. `bindings/guest.h` declares what a plugin calls and what it defines. */
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "json.h"

/* What is given back is freed by the bindings, so it is a copy. */
static void give(guest_string_t *to, const char *text) { guest_string_dup(to, text); }

static void *zeroed(size_t size) {
    void *memory = calloc(1, size);
    if (!memory) abort();
    return memory;
}

/* What the plugin is: asked once, before anything runs, and without any permission. */
void exports_guest_describe(guest_manifest_t *plugin) {
    give(&plugin->name, "@plugin@");
    give(&plugin->version, "0.1.0");
    give(&plugin->description, "Greets people.");
    autokestra_plugin_types_action_t *greet = zeroed(sizeof *greet);
    give(&greet->name, "greet");
    give(&greet->title, "Greets somebody by name.");
    give(&greet->description, "Greets somebody by name.");
    /* Schemas of JSON: workflows are held against them before they run. */
    give(&greet->input_schema,
         "{ \"type\": \"object\", \"additionalProperties\": false, \"required\": [\"name\"],"
         "  \"properties\": { \"name\": { \"type\": \"string\", \"description\": \"The name of somebody.\" } } }");
    give(&greet->output_schema,
         "{ \"type\": \"object\", \"required\": [\"text\"],"
         "  \"properties\": { \"text\": { \"type\": \"string\", \"description\": \"The whole greeting.\" } } }");
    greet->idempotent = true;
    plugin->actions.ptr = greet;
    plugin->actions.len = 1;
}

/* Fails: a code for machines, a message for people. */
static bool fail(guest_task_error_t *error, const char *code, const char *message) {
    memset(error, 0, sizeof *error);
    give(&error->code, code);
    give(&error->message, message);
    return false;
}

/* Writes to the log, with one field. */
static void log_info(const char *message, const char *key, const char *value) {
    guest_string_t text;
    guest_tuple2_string_string_t field;
    guest_list_tuple2_string_string_t fields = {&field, 1};
    guest_string_set(&text, message);
    guest_string_set(&field.f0, key);
    guest_string_set(&field.f1, value);
    autokestra_plugin_log_emit(AUTOKESTRA_PLUGIN_LOG_LEVEL_INFO, &text, &fields);
}

/* A text without the blanks around it. Changes it. */
static char *trimmed(char *text) {
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1])) length--;
    text[length] = 0;
    return text;
}

/* Greets somebody by name. */
static bool greet(guest_json_t *input, guest_json_t *output, guest_task_error_t *error) {
    char *given = json_string(input->ptr, input->len, "name");
    if (!given) return fail(error, "invalid_input", "/name: a text is missing");
    char *name = trimmed(given);
    if (!*name) {
        free(given);
        return fail(error, "no_name", "`name` is empty: say who is to be greeted");
    }
    log_info("greeting", "name", name);
    json_out text = {0}, whole = {0};
    json_raw(&text, "Hello, ");
    json_raw(&text, name);
    json_raw(&text, "!");
    json_raw(&whole, "{ \"text\": ");
    json_quoted(&whole, text.text);
    json_raw(&whole, " }");
    give(output, whole.text);
    free(given);
    free(text.text);
    free(whole.text);
    return true;
}

/* Runs an action. True where it gave an output, false where it failed. */
bool exports_guest_run(guest_string_t *action, guest_context_t *context, guest_json_t *input, guest_json_t *output,
                       guest_task_error_t *error) {
    /* Where and as what it runs; this one has no need to know. */
    (void)context;
    if (action->len == strlen("greet") && !memcmp(action->ptr, "greet", action->len)) return greet(input, output, error);
    return fail(error, "unknown_action", "there is no such action");
}
