/* In place of the object file that wit-bindgen writes: `workflow plugin build` tells the component's types itself. */
void __component_type_object_force_link_guest(void);
void __component_type_object_force_link_guest(void) {}
