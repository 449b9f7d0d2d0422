local numbers = {}
for line in io.lines() do numbers[#numbers + 1] = tonumber(line) end
table.sort(numbers)
io.stderr:write("read " .. #numbers .. " numbers\n")
print('{ "median": ' .. numbers[(#numbers + 1) // 2] .. ' }')
