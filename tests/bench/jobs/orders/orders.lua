return {
  columns = {
    id = "id", customer_id = "customer_id", sku = "sku", quantity = "quantity", price = "price",
    status = "status", note = "note", created_at = "created_at", updated_at = "updated_at",
  },
  filter = function(row)
    return row.status ~= "test"
  end,
}
