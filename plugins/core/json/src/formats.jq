# The formats of jq that jaq keeps for its own program.
def @csv:
  if type != "array" then error("\(type) cannot be written as CSV: a list is expected") else . end
  | map(
      if type == "string" then "\"" + gsub("\""; "\"\"") + "\""
      elif type == "number" or type == "boolean" then tostring
      elif . == null then ""
      else error("\(type) cannot stand in CSV") end)
  | join(",");
def @tsv:
  if type != "array" then error("\(type) cannot be written as TSV: a list is expected") else . end
  | map(
      if type == "string" then gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r")
      elif type == "number" or type == "boolean" then tostring
      elif . == null then ""
      else error("\(type) cannot stand in TSV") end)
  | join("\t");
