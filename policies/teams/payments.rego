# What payments have to look like. Rules name it as `rego: data.acme.payments.adds_up`.
package acme.payments

import rego.v1

# The items add up to the amount that is charged.
adds_up if {
	is_number(input.body.amount)
	every item in input.body.items {
		is_number(item.price)
		item.price >= 0
	}
	sum([item.price | some item in input.body.items]) == input.body.amount
}
